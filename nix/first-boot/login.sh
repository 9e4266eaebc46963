# At a login on a terminal: whether the script of the first boot is running, or did not end well.
if [ -t 1 ] && [ -e /var/lib/nixvm/first-boot.started ]; then
  if [ "$(systemctl is-active nixvm-first-boot.service)" = activating ]; then
    echo 'The first-boot script is running: journalctl --follow --unit nixvm-first-boot'
  else
    echo 'The first-boot script failed or was interrupted: journalctl --unit nixvm-first-boot'
    echo 'To hide this message: sudo rm /var/lib/nixvm/first-boot.started'
  fi
fi

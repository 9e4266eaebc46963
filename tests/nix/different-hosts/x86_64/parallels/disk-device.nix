"/dev/sda"

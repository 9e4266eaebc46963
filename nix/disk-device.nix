# The disk that disko formats when it is run by hand. The installed system does not depend on it:
# it finds its file systems by partition label. The installer writes the disk it has chosen.
"/dev/vda"

"/dev/vda"

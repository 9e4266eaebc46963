"/dev/nvme0n1"

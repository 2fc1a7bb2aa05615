"""The configuration of every command, shipped in the wheel as `tagnet.conf`."""

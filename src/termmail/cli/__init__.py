"""The command line: click commands, one file a group; the only room that prints."""

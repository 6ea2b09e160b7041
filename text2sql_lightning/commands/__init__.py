"""One file behind each script and each command that is not LightningCLI's."""

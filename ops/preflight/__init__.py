"""What can be known before a stage is deployed: the account, what the file names, what is in the way."""

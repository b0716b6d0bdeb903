"""`intspike train` and `intspike evaluate`: single steps for models and data of one's own."""

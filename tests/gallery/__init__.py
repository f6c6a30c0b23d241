"""Twenty-one very different mails, written for this project, and how mail readers show them."""

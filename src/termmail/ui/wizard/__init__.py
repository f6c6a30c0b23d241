"""The wizard: accounts added and changed in a few screens, and the list of those there are."""

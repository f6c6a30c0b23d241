"""The Textual app: screens, widgets, keymaps and themes, on the store's queries and intents."""

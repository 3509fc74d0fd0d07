"""Group chats: who speaks when, what each is shown, and an exact log of it all."""

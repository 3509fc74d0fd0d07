"""Explaining beyond the account: waterfalls, and the smallest change that would have recalled."""

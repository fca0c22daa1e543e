"""``stage=predict``: a method on a user's own pictures."""

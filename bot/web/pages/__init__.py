"""What people look at: the environments that they may see, and the way to sign in."""

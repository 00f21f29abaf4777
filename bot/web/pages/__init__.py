"""Web pages: environments, stages and sign-in."""

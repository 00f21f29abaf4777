"""The pages for browsers: pull requests, checks, sign-in. They work without scripts."""

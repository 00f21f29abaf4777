"""The pages for people: pull requests, checks, sign-in. They work without scripts."""

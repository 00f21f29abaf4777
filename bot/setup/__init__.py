"""`greenroom setup`: registers the GitHub App in a browser and stores its credentials."""

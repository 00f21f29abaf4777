"""What a webhook call says, without I/O: is it GitHub's, and what does it ask for?"""

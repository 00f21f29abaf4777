"""Terraform and OpenTofu: reads their plans and states. Pure."""

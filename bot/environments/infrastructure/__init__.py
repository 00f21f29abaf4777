"""Infrastructure of environments by Terraform or OpenTofu: the module, its reasons and ports."""

"""The namespace of an environment's infrastructure: Terraform state, inputs, plans and Jobs."""

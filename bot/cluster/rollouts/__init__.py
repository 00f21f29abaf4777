"""Progressive rollouts on the cluster: the candidate's objects, and the weights of routes."""

"""What belongs to an environment besides its deployment: drift detection."""

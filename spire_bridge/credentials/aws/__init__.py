"""AWS: an SVID for temporary credentials, in the shapes that its SDKs read."""

//! Enables the features that tests need in the libraries of the functions. `infra/unified_features.py` writes the manifest.

"""Images of any format: volumes, surfaces and CIFTI as rows of voxels."""

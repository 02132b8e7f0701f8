# SPDX-License-Identifier: Apache-2.0
"""Builds stand-ins for well-known images from Debian packages, as one OCI image layout."""

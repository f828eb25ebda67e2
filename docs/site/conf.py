# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx's settings for the site that docs/site/build makes."""

from __future__ import annotations

project = "Leastpriv"
copyright = "The Leastpriv team"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
html_theme = "sphinx_ansible_theme"
html_title = "leastpriv.iam"
html_theme_options = {"display_version": False, "topbar_links": {}, "vcs_pageview_mode": ""}
html_show_sphinx = False
# Guides link to each other's headings as GitHub shows them.
myst_heading_anchors = 4
# In console examples stand commands and what they print.
highlight_language = "none"
smartquotes = False
# The pages of Ansible itself and of amazon.aws are elsewhere, and the site is made without a network.
suppress_warnings = ["ref.ref"]

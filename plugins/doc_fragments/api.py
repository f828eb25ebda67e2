# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor's API and its credentials: options of every lookup that uses it."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  api_endpoint:
    description:
      - The address of the vendor's API for your tenant, as a URL (V(https://api.eu.prismacloud.io)), a host, or the
        subdomain alone (V(api.eu)). A console's address (V(app.eu)) is taken for its API, with a warning.
      - V(http://) is allowed for loopback addresses only.
      - Required as soon as one alert needs the API. The API is not contacted before.
    type: str
    env:
      - name: PRISMACLOUD_URL
      - name: API_ENDPOINT
  api_username:
    description:
      - The access key id to log in with. With O(api_password) it is preferred over O(auth_key), because it can log in
        again when the token ends.
    type: str
    env:
      - name: PRISMACLOUD_USERNAME
  api_password:
    description: The secret of the access key.
    type: str
    env:
      - name: PRISMACLOUD_PASSWORD
  prisma_id:
    description: The tenant to log in to, for a user of several tenants.
    type: str
    env:
      - name: PRISMACLOUD_PRISMA_ID
  auth_key:
    description:
      - A token (C(x-redlock-auth)). It is extended while it is valid; once it has expired, after ten minutes, nothing
        can renew it.
    type: str
    env:
      - name: AUTH_KEY
  validate_certs:
    description:
      - Whether the API's certificate is verified. V(false) lets anybody in between dictate the scripts.
      - Connections to AWS are always verified.
    type: bool
    default: true
  ca_bundle:
    description: A file or folder of CA certificates to verify the API's certificate with.
    type: path
    env:
      - name: REQUESTS_CA_BUNDLE
  api_timeout:
    description:
      - The deadline of one call of the API, from the look-up of its name to the last byte of the answer, in seconds
        from 1 to 300. A retry has a deadline of its own; O(api_retry_seconds) limits them together.
    type: int
    default: 30
  api_retry_seconds:
    description:
      - How long all retries of one run may take together, in seconds. Rate limits (429), errors of the API (5xx),
        time-outs and broken connections are retried, at most four times per call.
      - C(Retry-After) is honoured up to a minute.
    type: int
    default: 120
requirements:
  - requests
"""

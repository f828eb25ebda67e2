# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixed values that the server's process and the test's process share."""

from __future__ import annotations

# moto takes this account for every key that it did not make itself: it is the queue's, and the base identity's.
QUEUE_ACCOUNT = "123456789012"
QUEUE_REGION = "us-east-1"
QUEUE_NAME = "prisma-cloud-alerts"
QUEUE_PROFILE = "queue"
BASE_ACCESS_KEY = "AKIALEASTPRIVSTACK00"
BASE_SECRET_KEY = "loopback-only"

# The inventory's hosts; one account id begins with 0, as a tenth of the real ones do.
ACCOUNTS = {"payments": "111122223333", "analytics": "012345678901", "sandbox": "444455556666"}
# An account that no inventory knows: the real AWS CLI works there, for a comparison of end states.
TWIN = {"twin": "777788889999"}
ROLE_NAME = "leastpriv-remediation"

VENDOR_USERNAME = "00000000-aaaa-bbbb-cccc-000000000000"
VENDOR_PASSWORD = "stack-vendor-secret"

# The stack's own hands (seeding, looking) stay out of the call log and are never disturbed by a fault.
OWN_USER_AGENT = "leastpriv-stack"
# What a playbook's calls say of their run, in the user agent (AWS_SDK_UA_APP_ID).
RUN_PREFIX = "run-"

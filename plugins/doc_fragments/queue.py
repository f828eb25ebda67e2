# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue and its credentials: options of every plugin and module that uses it."""

from __future__ import annotations


class ModuleDocFragment:
    # Formatted for modules, whose environment variables are in the text only.
    MODULES = r"""
options:
  queue_name:
    description:
      - The name of the queue.
      - The environment variable E(SQS_QUEUE_NAME) is used when this is not set.
      - One of O(queue_name) and O(queue_url) is required; with both, O(queue_url) counts.
    type: str
  queue_url:
    description:
      - The URL of the queue, which contains its region. Needed for a queue of another account.
      - The environment variable E(SQS_QUEUE_URL) is used when this is not set.
    type: str
  queue_profile:
    description:
      - The AWS profile whose credentials may use the queue. It wins over access keys in the environment.
      - Without it the usual chain of the AWS SDK counts (E(AWS_ACCESS_KEY_ID), E(AWS_PROFILE), instance roles).
    type: str
    aliases: [profile]
  region:
    description:
      - The region of the queue, if it is not in O(queue_url).
      - Without it E(AWS_REGION), then E(AWS_DEFAULT_REGION), then the profile's region count.
    type: str
    aliases: [aws_region]
  endpoint_url:
    description:
      - The address of SQS itself, for a VPC endpoint or an emulator.
      - Without it E(AWS_ENDPOINT_URL_SQS), then E(AWS_ENDPOINT_URL), then the AWS endpoint of the region count.
    type: str
requirements:
  - python >= 3.10
  - boto3 >= 1.34.0
  - botocore >= 1.34.0
"""

    # Formatted for plugins other than modules.
    PLUGINS = r"""
options:
  queue_name:
    description:
      - The name of the queue.
      - One of O(queue_name) and O(queue_url) is required; with both, O(queue_url) counts.
    type: str
    env:
      - name: SQS_QUEUE_NAME
  queue_url:
    description:
      - The URL of the queue, which contains its region. Needed for a queue of another account.
    type: str
    env:
      - name: SQS_QUEUE_URL
  queue_profile:
    description:
      - The AWS profile whose credentials may use the queue. It wins over access keys in the environment.
      - Without it the usual chain of the AWS SDK counts (E(AWS_ACCESS_KEY_ID), E(AWS_PROFILE), instance roles).
    type: str
    aliases: [profile]
  region:
    description:
      - The region of the queue, if it is not in O(queue_url).
      - Without it E(AWS_DEFAULT_REGION) counts, then the profile's region, then V(us-east-1) or its counterpart in the
        partition of the profile's role.
    type: str
    aliases: [aws_region]
    env:
      - name: AWS_REGION
  endpoint_url:
    description:
      - The address of SQS itself, for a VPC endpoint or an emulator.
    type: str
    env:
      - name: AWS_ENDPOINT_URL
      - name: AWS_ENDPOINT_URL_SQS
requirements:
  - python >= 3.10
  - boto3 >= 1.34.0
  - botocore >= 1.34.0
"""

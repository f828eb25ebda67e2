# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.vendor_api.endpoint import EndpointError, read_endpoint


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://api.eu.prismacloud.io", "https://api.eu.prismacloud.io"),
        (" https://API.eu.prismacloud.io/ ", "https://api.eu.prismacloud.io"),
        ("api.eu.prismacloud.io", "https://api.eu.prismacloud.io"),
        ("api.prismacloud.cn", "https://api.prismacloud.cn"),
        ("api.cn", "https://api.prismacloud.cn"),
        ("api", "https://api.prismacloud.io"),
        ("api2", "https://api2.prismacloud.io"),
        ("api.anz", "https://api.anz.prismacloud.io"),
        ("api2.eu", "https://api2.eu.prismacloud.io"),
        ("https://proxy.example.com:8443/prisma/", "https://proxy.example.com:8443/prisma"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://10.0.0.1", "https://10.0.0.1"),
    ],
)
def test_addresses(text, url):
    endpoint = read_endpoint(text)
    assert (endpoint.url, endpoint.warning) == (url, None)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("app.eu", "https://api.eu.prismacloud.io"),
        ("app", "https://api.prismacloud.io"),
        ("app2.eu.prismacloud.io", "https://api2.eu.prismacloud.io"),
        ("https://app.prismacloud.io/alerts/overview#x", "https://api.prismacloud.io"),
        ("app.cn", "https://api.prismacloud.cn"),
    ],
)
def test_console_is_taken_for_its_api_with_a_warning(text, url):
    endpoint = read_endpoint(text)
    assert endpoint.url == url
    assert "names the console app" in endpoint.warning


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("http://api.eu.prismacloud.io", "in the clear"),
        ("http://10.0.0.1", "in the clear"),
        ("http://localhost.example.com", "in the clear"),
        ("ftp://api.eu.prismacloud.io", "only https://"),
        ("", "no host"),
        ("https://", "no host"),
        ("hello world", "no host"),
        ("prisma", "not a full name"),
        ("{{ x }}", "no host"),
        ("https://api.eu.prismacloud.io:port", "not a URL"),
        ("https://[::1", "not a URL"),
    ],
)
def test_garbage_is_reported_with_what_to_write(text, why):
    with pytest.raises(EndpointError, match="Write the API's address of your tenant") as error:
        read_endpoint(text)
    assert why in str(error.value)


@pytest.mark.parametrize("text", ["https://me:s3cret@api.eu.prismacloud.io", "https://me:s3cret@host:port"])
def test_password_in_the_address_is_not_repeated(text):
    with pytest.raises(EndpointError, match="contains a user name or password") as error:
        read_endpoint(text)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "console"),
    [
        ("api", "https://app.prismacloud.io"),
        ("api2.eu", "https://app2.eu.prismacloud.io"),
        ("https://api.gov.prismacloud.io/", "https://app.gov.prismacloud.io"),
        ("api.cn", "https://app.prismacloud.cn"),
        ("app.eu", "https://app.eu.prismacloud.io"),
        ("https://api.prismacloud.io:8443", ""),
        ("https://api.prismacloud.io/prisma", ""),
        ("https://api.prismacloud.io.example.com", ""),
        ("https://notapi.prismacloud.io", ""),
        ("https://api-prismacloud.io", ""),
        ("https://proxy.example.com", ""),
        ("http://127.0.0.1:8080", ""),
    ],
)
def test_only_a_host_of_the_vendor_s_table_has_a_console(text, console):
    endpoint = read_endpoint(text)
    assert endpoint.console == console
    page = f"{console}/alerts/overview?viewId=default&filters=%7B%22alert.id%22%3A%5B%22I-1%22%5D%7D"
    assert endpoint.alert_page("I-1") == (page if console else "")


@pytest.mark.parametrize("alert_id", [None, "", "I 1", 'I-1"]}', "I-1/../x", "<script>", "I" * 65, "\u202e"])
def test_an_id_unlike_the_vendor_s_is_part_of_no_address(alert_id):
    assert read_endpoint("api").alert_page(alert_id) == ""

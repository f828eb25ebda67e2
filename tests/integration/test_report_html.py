# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""report.html in a real headless Chromium: as a run writes it, and as people use it."""

from __future__ import annotations

import re
import time

import pytest
from ansible.plugins.loader import filter_loader
from axe_playwright_python.sync_playwright import Axe
from browser import running_browser, watched_page
from stack import run_playbook, seed
from stack.alerts import deny_script, nested_alert

HOSTILE = "<script>alert(1)</script>{{ 7 * 7 }}]]></style><img src=x onerror=alert(2)>\u202egnp.exe" + "w" * 100_000
# What a browser would make of the text above if it were not text.
ELEMENTS_OF_HOSTILE = "main script, main style, img"
STEP = {
    "operation": "AttachUserPolicy",
    "module": "amazon.aws.iam_user",
    "args": {"name": "alice", "managed_policies": ["arn:aws:iam::111122223333:policy/deny"]},
    "command": "aws iam attach-user-policy --user-name alice",
    "status": "changed",
    "before": {"attached_policies": []},
    "after": {"attached_policies": ["arn:aws:iam::111122223333:policy/deny"]},
}
PROTECTED = {"arn": "arn:aws:iam::*:user/break-glass", "owner": "sre", "reason": "emergency", "expires": "2027-01-01"}


def alert(number, account, disposition, **more):
    return {
        "alert_id": f"I-{number}",
        "message_id": f"m-{number}",
        "account": account,
        "account_id": "111122223333",
        "policy": f"policy {number}",
        "severity": "high",
        "disposition": disposition,
        "reason": f"reason {number}",
        "script": "aws iam attach-user-policy --user-name 'alice' && aws iam tag-user",
        **more,
    }


ALERTS = (
    alert(1, "payments", "remediated", steps=[STEP]),
    alert(2, "payments", "planned", steps=[{**STEP, "status": "needed"}], severity="medium"),
    alert(3, "payments", "already_remediated", steps=[{**STEP, "status": "unchanged"}], severity=None),
    alert(4, "analytics", "refused", by_hand=["aws iam tag-user --user-name bob"]),
    alert(5, "analytics", "unsupported", reason="line 1, column 5: no\n  | aws ec2 x\n  |     ^\n  hint: none"),
    alert(6, "analytics", "failed", steps=[{**STEP, "status": "failed", "before": None, "after": None}]),
    alert(7, None, "unmapped_account", script=None),
    alert(8, "sandbox", "filtered", severity="low"),
)


@pytest.fixture(scope="module")
def browser():
    with running_browser() as running:
        yield running


@pytest.fixture
def written(tmp_path):
    """Writes the page of some alerts, as the filters make it; gives its path."""

    def write(*alerts, **settings):
        report, page = (filter_loader.get(f"leastpriv.iam.{name}").j2_function for name in ("report", "html_report"))
        account = {"account": "payments", "allow": ["no_tags"], "protected": [PROTECTED], **settings}
        run = report(alerts, "20260101T000000Z-0000", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z",
                     check_mode=False, settings=[account])  # fmt: skip
        file = tmp_path / "report.html"
        file.write_text(page(run["text"]), encoding="utf-8")
        return file

    return write


def shown(page):
    return page.locator("details.alert:visible h3").all_inner_texts()


def expect_quiet(watched, file):
    """It complained about nothing and asked for nothing but itself; its icon is in it."""
    assert watched.complaints == []
    assert [url for url in watched.requests if not url.startswith("data:")] == [file.as_uri()]


def test_a_run_and_a_review_write_a_page_on_which_hostile_alerts_are_text(stack, browser):
    seed(stack, "payments", users=["alice"])
    account_id = stack.account_id("payments")
    stack.send(nested_alert("I-1", account_id, policy={"name": HOSTILE, "severity": "<b>high</b>"}))
    stack.script("I-1", deny_script("user", "alice", account_id, "I-1"))
    stack.send(nested_alert("I-2", account_id))
    stack.script("I-2", f"aws iam create-login-profile --user-name a --password 'hunter2!' # {HOSTILE}")
    stack.send(nested_alert("I-3", account_id))
    stack.script("I-3", "aws iam tag-user --user-name alice --tags 'Key={{ 7 * 7 }},Value=</script><script>alert(3)'")
    for arguments, disposition in ((["--check"], "planned"), ([], "remediated")):
        run = run_playbook(stack, *arguments)
        assert run.dispositions == {"I-1": disposition, "I-2": "refused", "I-3": "unsupported"}
        (file,) = run.artifacts.glob("*/report.html")
        assert file.stat().st_mode & 0o777 == 0o600
        assert "hunter2" not in file.read_text()
        with watched_page(browser, file) as watched:
            page = watched.page
            page.get_by_role("button", name="Open all").click()
            text = page.inner_text("main")
            assert "<script>alert(1)</script>{{ 7 * 7 }}]]></style><img src=x onerror=alert(2)>\\u202egnp.exe" in text
            assert "'Key={{ 7 * 7 }},Value=</script><script>alert(3)'" in text
            assert "49" not in re.findall(r"\b\d+\b", page.inner_text("details.alert >> nth=1"))
            assert page.locator(ELEMENTS_OF_HOSTILE).count() == 0
            assert page.inner_text("h1") == "2 of 3 alerts need attention"
            expect_quiet(watched, file)


def test_the_filters_work_by_click_and_by_keyboard(written, browser):
    file = written(*ALERTS)
    with watched_page(browser, file) as watched:
        page = watched.page
        everything = ["I-7", "I-4", "I-5", "I-6", "I-2", "I-1", "I-3", "I-8"]
        assert shown(page) == everything
        page.locator(".tiles a", has_text="need attention").click()
        assert shown(page) == ["I-7", "I-4", "I-5", "I-6"]
        page.get_by_role("button", name="Clear").click()
        page.get_by_text("8 of 8 alerts shown").wait_for()
        page.get_by_label("Account", exact=True).select_option("analytics")
        page.get_by_label("Disposition").select_option("refused")
        assert shown(page) == ["I-4"]
        page.get_by_role("button", name="Clear").click()
        page.get_by_label("Text").focus()
        page.keyboard.type("POLICY 6")
        assert shown(page) == ["I-6"]
        assert page.inner_text("#shown") == "1 of 8 alerts shown"
        # From the text over two lists and two buttons to the only alert, and open it.
        for _stop in range(5):
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.locator("details.alert[open] h3").all_inner_texts() == ["I-6"]
        expect_quiet(watched, file)


def test_a_command_for_a_person_can_be_copied(written, browser):
    file = written(*ALERTS)
    with watched_page(browser, file, permissions=["clipboard-read", "clipboard-write"]) as watched:
        page = watched.page
        page.locator("details.alert summary", has_text="I-4").first.click()
        page.get_by_role("button", name="Copy").first.click()
        page.get_by_role("button", name="Copied").wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == "aws iam tag-user --user-name bob"


def test_without_javascript_everything_is_there_and_no_button_that_does_nothing(written, browser):
    file = written(*ALERTS)
    with watched_page(browser, file, java_script_enabled=False) as watched:
        page = watched.page
        assert page.locator("button:visible, input:visible, select:visible").count() == 0
        page.locator("details.alert > summary", has_text="I-1").click()
        assert '+     "arn:aws:iam::111122223333:policy/deny"' in page.inner_text("details.alert[open] .diff")


def test_paper_shows_every_alert_open_and_no_controls(written, browser):
    file = written(*ALERTS)
    with watched_page(browser, file) as watched:
        page = watched.page
        page.emulate_media(media="print")
        assert page.locator("button:visible, input:visible, select:visible").count() == 0
        unseen = "bodies => bodies.filter((body) => !body.checkVisibility({contentVisibilityAuto: true})).length"
        assert page.locator(".alert .body").evaluate_all(unseen) == 0
        assert page.pdf().count(b"/Type /Page\n") > 2


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_and_fits_its_screen(written, browser, width, scheme):
    hostile = alert(9, HOSTILE, "failed", alert_id=HOSTILE, policy=HOSTILE, severity=HOSTILE, reason=HOSTILE,
                    resource=HOSTILE, script=HOSTILE, steps=[{**STEP, "args": {HOSTILE: HOSTILE}}])  # fmt: skip
    file = written(*ALERTS, hostile)
    with watched_page(browser, file, width=width, color_scheme=scheme) as watched:
        page = watched.page
        page.locator("details").evaluate_all("all => all.forEach((one) => { one.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        expect_quiet(watched, file)
        axe = Axe().run(page)
        assert axe.violations_count == 0, axe.generate_report()
        assert "color-contrast" in {rule["id"] for rule in axe.response["passes"]}


def test_protections_and_opened_rules_are_told_with_owner_and_expiry(written, browser):
    with watched_page(browser, written(*ALERTS)) as watched:
        text = watched.page.inner_text("section[aria-labelledby=exceptions]")
        for told in (PROTECTED["arn"], PROTECTED["owner"], PROTECTED["expires"], "no_tags in payments"):
            assert told in text


def test_a_thousand_alerts_can_be_used(written, browser):
    file = written(*(alert(number, f"a-{number % 40}", "remediated", steps=[STEP, STEP]) for number in range(1000)))
    assert file.stat().st_size < 8_000_000
    with watched_page(browser, file) as watched:
        page = watched.page
        page.get_by_label("Text").fill("policy 77")
        started = time.monotonic()
        page.get_by_label("Text").fill("policy 777")
        assert shown(page) == ["I-777"]
        assert time.monotonic() - started < 5
        expect_quiet(watched, file)

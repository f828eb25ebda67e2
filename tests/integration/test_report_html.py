# Copyright: The Leastpriv team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""report.html in a real headless Chromium: as a run writes it, and as people use it."""

from __future__ import annotations

import re

import pytest
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.html_report import html_report
from ansible_collections.leastpriv.iam.plugins.plugin_utils.report.report import Run, report
from axe_playwright_python.sync_playwright import Axe
from browser import running_browser, watched_page
from browser.sample import of_size
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
    """Writes the page of some alerts; gives its path."""

    def write(*alerts, is_review=False, undoes=(), **settings):
        account = {"account": "payments", "allow": ["no_tags"], "protected": [PROTECTED], **settings}
        times = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"
        run = Run(alerts, "20260101T000000Z-0000", *times, is_review, undoes=undoes, settings=[account])
        file = tmp_path / "report.html"
        file.write_text(html_report(report(run), "api.eu"), encoding="utf-8")
        return file

    return write


def shown(page):
    """The alerts from top to bottom."""
    return page.locator("details.alert").evaluate_all(SHOWN)


# Not innerText: what is off the screen is not laid out.
SHOWN = """(all) => all.filter((one) => one.checkVisibility())
  .sort((one, other) => one.getBoundingClientRect().top - other.getBoundingClientRect().top)
  .map((one) => one.querySelector("h3").textContent)"""


def expect_quiet(watched, file):
    """It complained about nothing and asked for nothing but itself; its icon is in it."""
    assert watched.complaints == []
    assert [url for url in watched.requests if not url.startswith("data:")] == [file.as_uri()]


def test_a_run_writes_a_page_on_which_hostile_alerts_are_text(stack, browser):
    seed(stack, "payments", users=["alice"])
    account_id = stack.account_id("payments")
    stack.send(nested_alert("I-1", account_id, policy={"name": HOSTILE, "severity": "<b>high</b>"}))
    stack.script("I-1", deny_script("user", "alice", account_id, "I-1"))
    stack.send(nested_alert("I-2", account_id))
    stack.script("I-2", f"aws iam create-login-profile --user-name a --password 'hunter2!' # {HOSTILE}")
    stack.send(nested_alert("I-3", account_id))
    stack.script("I-3", "aws iam tag-user --user-name alice --tags 'Key={{ 7 * 7 }},Value=</script><script>alert(3)'")
    run = run_playbook(stack)
    assert run.dispositions == {"I-1": "remediated", "I-2": "refused", "I-3": "unsupported"}
    (file,) = run.artifacts.glob("*/report.html")
    assert file.stat().st_mode & 0o777 == 0o600
    assert "hunter2" not in file.read_text()
    with watched_page(browser, file) as watched:
        page = watched.page
        page.get_by_role("button", name="Open all").click()
        text = page.text_content("main")
        assert "<script>alert(1)</script>{{ 7 * 7 }}]]></style><img src=x onerror=alert(2)>\\u202egnp.exe" in text
        assert "'Key={{ 7 * 7 }},Value=</script><script>alert(3)'" in text
        assert "49" not in re.findall(r"\b\d+\b", page.inner_text("details.alert >> nth=1"))
        assert page.locator(ELEMENTS_OF_HOSTILE).count() == 0
        assert page.inner_text("h1") == "2 of 3 alerts need attention"
        expect_quiet(watched, file)


EVERYTHING = ["I-7", "I-4", "I-5", "I-6", "I-2", "I-1", "I-3", "I-8"]


def test_every_number_and_every_bar_filters_by_click(written, browser):
    file = written(*ALERTS)
    with watched_page(browser, file) as watched:
        page = watched.page
        assert shown(page) == EVERYTHING
        clicked = {
            ".tiles a:has-text('need attention')": ["I-7", "I-4", "I-5", "I-6"],
            ".tiles li li a:has-text('1 refused')": ["I-4"],
            ".bars > li > a[data-account=payments]": ["I-2", "I-1", "I-3"],
            ".bars svg a[data-account=analytics][data-result=unsupported]": ["I-5"],
            ".bars svg a[data-severity=low]": ["I-8"],
            ".tiles > .all > a": EVERYTHING,
        }
        for selector, alerts in clicked.items():
            page.locator(selector).click()
            assert shown(page) == alerts, selector
            assert page.locator(selector).get_attribute("aria-current") == "true"
        page.get_by_text("Show as a table").first.click()
        page.locator("td a[data-account=analytics][data-result=failed]").press("Enter")
        assert shown(page) == ["I-6"]
        page.locator("td a[data-account=analytics][data-result=failed]").press("Enter")
        assert shown(page) == EVERYTHING, "the same number again takes the filter away"
        expect_quiet(watched, file)


def test_equal_reasons_are_counted_and_filter_by_click(written, browser):
    denied = [alert(place, f"a-{place}", "failed", reason="AWS denied it\u202e") for place in range(20, 23)]
    other = alert(30, "a-1", "refused", reason="AWS denied it\u202e")
    with watched_page(browser, written(*ALERTS, *denied, other)) as watched:
        page = watched.page
        reasons = page.locator(".reasons a")
        assert [text.split() for text in reasons.all_inner_texts()] == [["3", "failed", "AWS", "denied", "it\\u202e"]]
        reasons.click()
        assert shown(page) == ["I-20", "I-21", "I-22"]
        assert page.inner_text("#shown") == "3 of 12 alerts shown, all with the same reason"
        page.get_by_role("button", name="Clear", exact=True).click()
        assert len(shown(page)) == 12


def test_the_filters_work_by_keyboard_and_say_how_many_are_left(written, browser):
    file = written(*ALERTS)
    with watched_page(browser, file) as watched:
        page = watched.page
        page.get_by_label("Account", exact=True).select_option("analytics")
        page.get_by_label("Result", exact=True).select_option("refused")
        assert shown(page) == ["I-4"]
        page.get_by_role("button", name="Clear", exact=True).click()
        page.get_by_label("Severity", exact=True).select_option("medium")
        assert shown(page) == ["I-2"]
        page.get_by_role("button", name="Clear", exact=True).click()
        page.get_by_label("Text").focus()
        page.keyboard.type("POLICY 6")
        assert shown(page) == ["I-6"]
        assert page.inner_text("#shown") == "1 of 8 alerts shown"
        # From the text over four lists and two buttons to the only alert, and open it.
        for _stop in range(7):
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.locator("details.alert[open] h3").all_inner_texts() == ["I-6"]
        page.get_by_label("Text").fill("nothing like it")
        assert shown(page) == []
        assert page.get_by_text("No alert matches.").is_visible()
        page.get_by_role("button", name="Clear the filters").click()
        assert shown(page) == EVERYTHING
        assert not page.get_by_text("No alert matches.").is_visible()
        expect_quiet(watched, file)


def test_the_worst_stand_first_and_the_order_can_be_chosen(written, browser):
    severities = ("low", "critical", None, "medium", "<b>odd</b>", "high")
    alerts = [alert(place, f"a-{place % 2}", "planned", severity=word) for place, word in enumerate(severities)]
    with watched_page(browser, written(*alerts, alert(9, "a-9", "refused", severity="low"))) as watched:
        page = watched.page
        urgent = ["I-9", "I-1", "I-5", "I-3", "I-0", "I-2", "I-4"]
        orders = {
            "severity, worst first": ["I-1", "I-5", "I-3", "I-9", "I-0", "I-2", "I-4"],
            "account": ["I-0", "I-2", "I-4", "I-1", "I-5", "I-3", "I-9"],
            "urgency": urgent,
        }
        assert shown(page) == urgent
        for order, ids in orders.items():
            page.get_by_label("Sort by").select_option(order)
            assert shown(page) == ids, order
            page.get_by_role("button", name="Open all").focus()
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.querySelector('h3').textContent") == ids[0], "by keyboard, too"
        page.get_by_label("Sort by").select_option("account")
        page.get_by_label("Severity", exact=True).select_option("low")
        page.get_by_role("button", name="Clear", exact=True).click()
        assert shown(page) == orders["account"], "Clear takes filters away and keeps the order"


def test_an_address_can_name_an_alert_which_is_then_open(written, browser):
    file = written(*ALERTS)
    with watched_page(browser, file) as watched:
        watched.page.goto(f"{file.as_uri()}#alert-I-6")
        watched.page.locator("details.alert[open] h3", has_text="I-6").wait_for()
        watched.page.get_by_label("Account", exact=True).select_option("payments")
        watched.page.goto(f"{file.as_uri()}#alert-I-4")
        watched.page.locator("details.alert[open] h3", has_text="I-4").wait_for()


def test_a_review_shows_the_command_that_applies_it_and_each_alert_s_page_in_the_console(written, browser):
    file = written(*ALERTS, is_review=True)
    with watched_page(browser, file, permissions=["clipboard-read", "clipboard-write"]) as watched:
        page = watched.page
        page.locator(".next button.copy").click()
        page.get_by_role("button", name="Copied").wait_for()
        command = page.evaluate("navigator.clipboard.readText()")
        assert command == "ansible-playbook remediate.yml -e remediate_plan=20260101T000000Z-0000"
        page.locator("details.alert summary", has_text="I-4").first.click()
        address = page.get_by_role("link", name="Open I-4 in Prisma Cloud").get_attribute("href")
        assert address.startswith("https://app.eu.prismacloud.io/alerts/overview?")
        assert "%22I-4%22" in address
        expect_quiet(watched, file)


def test_an_undo_is_amber_and_says_that_access_is_wider(written, browser):
    file = written(alert(1, "payments", "undone", steps=[STEP]), undoes=["20260101T000000Z-1111"])
    with watched_page(browser, file) as watched:
        page = watched.page
        assert page.inner_text("h1") == "1 alert undone"
        assert "Access is wider than before" in page.inner_text(".notice.undone")
        assert "access is wider than before" in page.inner_text(".tiles .undone")
        red, green, blue = map(
            int, re.findall(r"\d+", page.locator("h1").evaluate("(it) => getComputedStyle(it).color"))
        )
        assert red > green > blue, "amber"
        expect_quiet(watched, file)


def test_a_command_for_a_person_can_be_copied(written, browser):
    file = written(*ALERTS)
    with watched_page(browser, file, permissions=["clipboard-read", "clipboard-write"]) as watched:
        page = watched.page
        page.locator("details.alert summary", has_text="I-4").first.click()
        page.locator("details.alert[open]").get_by_role("button", name="Copy").first.click()
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


def test_the_numbers_leave_no_hole_at_any_width(written, browser):
    with watched_page(browser, written(*ALERTS)) as watched:
        for width in (360, 390, 768, 1440):
            watched.page.set_viewport_size({"width": width, "height": 800})
            boxes = [tile.bounding_box() for tile in watched.page.locator(".tiles > li").all()]
            rows = {box["y"]: [other for other in boxes if other["y"] == box["y"]] for box in boxes}
            widths = {round(row[-1]["x"] + row[-1]["width"] - row[0]["x"]) for row in rows.values()}
            assert len(boxes) == 6
            assert widths == {round(watched.page.locator(".tiles").bounding_box()["width"])}, width


def test_it_is_accessible_and_fits_its_screen(written, browser):
    wide = HOSTILE[:2_000]
    hostile = alert(9, wide, "failed", alert_id=wide, policy=wide, severity=wide, reason=wide,
                    resource=wide, script=wide, steps=[{**STEP, "args": {wide: wide}}])  # fmt: skip
    more = [alert(10, "sandbox", "undone"), *(alert(number, "sandbox", "failed", reason="same") for number in (11, 12))]
    file = written(*ALERTS, hostile, *more, undoes=["20260101T000000Z-1111"])
    with watched_page(browser, file) as watched:
        page = watched.page
        page.locator("details").evaluate_all("all => all.forEach((one) => { one.open = true; })")
        # Each scheme where it is narrow and where it is wide; no colour depends on the width.
        for width, scheme in ((360, "light"), (360, "dark"), (768, "light"), (1440, "dark")):
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            axe = Axe().run(page)
            assert axe.violations_count == 0, (width, scheme, axe.generate_report())
            assert "color-contrast" in {rule["id"] for rule in axe.response["passes"]}
        expect_quiet(watched, file)


def test_protections_and_relaxed_guardrails_are_shown_with_owner_and_expiry(written, browser):
    with watched_page(browser, written(*ALERTS)) as watched:
        text = watched.page.inner_text("section[aria-labelledby=safeguards]")
        for shown in (PROTECTED["arn"], PROTECTED["owner"], PROTECTED["expires"], "no_tags in payments"):
            assert shown in text


def test_a_thousand_alerts_open_in_a_second_and_are_filtered_in_a_tenth_of_it_and_sorted_in_two(written, browser):
    file = written(*of_size(1000))
    assert file.stat().st_size < 5_000_000
    with watched_page(browser, file) as watched:
        page = watched.page
        clock = thread_clock(page)
        page.reload()
        assert 0.05 < clock() < 1, "the lower bound is there to see that something is measured"
        changes = (("Severity", "critical", 91), ("Severity", "", 1000), ("Result", "failed", 91), ("Result", "", 1000),
                   ("Text", "policy", 1000), ("Text", "i-10777", 1))  # fmt: skip
        for label, value, count in changes:
            field = page.get_by_label(label, exact=True).element_handle()
            before = clock()
            page.evaluate(CHANGE, [field, value])
            assert 0 < clock() - before < 0.1, (label, value)
            assert page.inner_text("#shown") == f"{count} of 1000 alerts shown"
        assert shown(page) == ["I-10777"]
        page.get_by_role("button", name="Clear", exact=True).click()
        for order in ("rank", "account", "place"):
            field = page.get_by_label("Sort by", exact=True).element_handle()
            before = clock()
            page.evaluate(CHANGE, [field, order])
            assert 0 < clock() - before < 0.2, order
        assert watched.complaints == []


CHANGE = """([field, value]) => {
  field.value = value;
  for (const kind of ["input", "change"]) field.dispatchEvent(new Event(kind, {bubbles: true}));
}"""


def thread_clock(page):
    """The seconds that the page's thread works, and not those in which it waits for other programs.

    Source: Chrome DevTools Protocol, domain Performance.
    """
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def seconds():
        page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")

    return seconds

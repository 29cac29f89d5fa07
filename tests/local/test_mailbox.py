"""The mailbox catches every mail, shows it harmlessly and keeps it."""

import json
import smtplib
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import EmailMessage
from http.client import HTTPMessage
from pathlib import Path

import boto3
import pytest

from infra.local.local_cloud import LocalCloud
from infra.local.mailbox import Mailbox

HTML = "<html><head><title>x</title></head><body><p>Grüße <a href='http://127.0.0.1/'>Order</a></p></body></html>"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as mailbox:
        yield mailbox


def letter(subject: str = "Your order K7M3", html: str = HTML) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Awning <shop@example.com>"
    message["To"] = "Tést <test@example.org>"
    message["Subject"] = subject
    message.set_content("Grüße aus dem Laden")
    message.add_alternative(html, subtype="html")
    return message


def send(mailbox: Mailbox, message: EmailMessage, *recipients: str) -> None:
    host, port = mailbox.smtp.split(":")
    with smtplib.SMTP(host, int(port)) as smtp:
        smtp.send_message(message, to_addrs=list(recipients) or None)


def get(url: str) -> tuple[str, HTTPMessage]:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode(), answer.headers


def test_an_email_is_shown_as_json(mailbox: Mailbox) -> None:
    send(mailbox, letter(), "test@example.org", "copy@example.org")

    (told,) = json.loads(get(f"{mailbox.url}/api/messages")[0])

    assert told["from"] == "Awning <shop@example.com>"
    assert told["to"] == "Tést <test@example.org>"
    assert told["recipients"] == ["test@example.org", "copy@example.org"]
    assert told["subject"] == "Your order K7M3"
    assert told["text"] == "Grüße aus dem Laden\n"
    assert "<p>Grüße" in told["html"]
    assert told["headers"]["MIME-Version"] == "1.0"
    assert "X-Envelope-To" not in told["headers"]
    assert json.loads(get(f"{mailbox.url}/api/messages/{told['id']}")[0]) == told


def test_the_newest_mail_comes_first(mailbox: Mailbox) -> None:
    for subject in ("one", "two", "three"):
        send(mailbox, letter(subject))

    assert [mail.subject for mail in mailbox.messages()] == ["three", "two", "one"]
    assert mailbox.wait_for(lambda mail: mail.subject == "two").text.startswith("Grüße")


def test_mails_survive_a_restart(tmp_path: Path) -> None:
    with Mailbox(tmp_path) as mailbox:
        send(mailbox, letter("one"))
        send(mailbox, letter("two"))
        before = mailbox.messages()

    with Mailbox(tmp_path) as mailbox:
        assert mailbox.messages() == before
        mailbox.clear()

    with Mailbox(tmp_path) as mailbox:
        assert mailbox.messages() == []


def test_a_mail_cannot_run_script_in_the_page(mailbox: Mailbox) -> None:
    send(mailbox, letter(subject="<script>alert(1)</script>", html="<script>alert(1)</script>"))
    (mail,) = mailbox.messages()

    page, _ = get(f"{mailbox.url}/messages/{mail.id}")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    _, headers = get(f"{mailbox.url}/messages/{mail.id}/body")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox allow-popups" in policy
    assert "script" not in policy


def test_links_of_a_mail_open_beside_the_mailbox(mailbox: Mailbox) -> None:
    send(mailbox, letter())
    (mail,) = mailbox.messages()

    assert '<head><base target="_blank">' in get(f"{mailbox.url}/messages/{mail.id}/body")[0]


@pytest.mark.parametrize("view", ["html", "text", "headers", "raw", "other"])
def test_every_view_of_a_mail_opens(mailbox: Mailbox, view: str) -> None:
    send(mailbox, letter())
    (mail,) = mailbox.messages()

    assert "Your order K7M3" in get(f"{mailbox.url}/messages/{mail.id}?view={view}")[0]
    assert "X-Envelope-To" not in get(f"{mailbox.url}/messages/{mail.id}/raw")[0]


@pytest.mark.parametrize(
    "path", ["/messages/../../etc/passwd", "/messages/none/raw", "/api/messages/none", "/no"]
)
def test_an_unknown_address_is_not_found(mailbox: Mailbox, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refusal:
        get(mailbox.url + path)
    assert refusal.value.code == 404
    refusal.value.close()


def test_all_mails_can_be_deleted(mailbox: Mailbox) -> None:
    send(mailbox, letter())
    request = urllib.request.Request(f"{mailbox.url}/api/messages", method="DELETE")
    urllib.request.urlopen(request, timeout=5).close()

    assert json.loads(get(f"{mailbox.url}/api/messages")[0]) == []
    assert "No emails yet" in get(mailbox.url)[0]


def test_a_mail_that_is_no_mail_is_shown_all_the_same(mailbox: Mailbox) -> None:
    host, port = mailbox.smtp.split(":")
    junk = b"Content-Type: text/plain; charset=no-such\r\nSubject: =?utf-8?q?=ff?=\r\n\r\n\xff\xfe junk"
    with smtplib.SMTP(host, int(port)) as smtp:
        smtp.sendmail("a@example.org", ["b@example.org"], junk)

    (mail,) = mailbox.messages()
    assert "junk" in mail.text
    assert "b@example.org" in get(mailbox.url)[0]


def test_mail_sent_through_ses_arrives_whole(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalCloud(smtp=mailbox.smtp) as cloud:
        for name, value in cloud.environment.items():
            monkeypatch.setenv(name, value)
        ses = boto3.client("sesv2")
        ses.create_email_identity(EmailIdentity="shop@example.com")
        ses.send_email(
            FromEmailAddress="Awning <shop@example.com>",
            Destination={"ToAddresses": ["test@example.org"]},
            Content={
                "Simple": {
                    "Subject": {"Data": "Grüße"},
                    "Body": {"Text": {"Data": "tea · 3 €"}, "Html": {"Data": HTML}},
                }
            },
        )
        mail = mailbox.wait_for(lambda mail: mail.subject == "Grüße")

    assert (mail.sender, mail.to) == ("Awning <shop@example.com>", "test@example.org")
    assert mail.text.strip() == "tea · 3 €"
    assert mail.html.strip() == HTML

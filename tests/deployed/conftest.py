"""The packaged shop, deployed once for all tests here into a region of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.config import settings
from infra.local.fake_paypal import Control, FakePayPal
from infra.local.processes import free_port
from tests.client import Answer
from tests.deployed.http_client import Visitor
from tests.deployed.region import Region
from tests.deployed.stack import Stack
from tests.packaging import built_for

SECRET = "only in SSM"
WEBHOOK = "D3PL0YEDWEBH00K01"
STAFF = "merchant@shop.example", "linen awning at noon"
CATALOG = Path(__file__).with_name("catalog.json")


@pytest.fixture(scope="session")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the package for this machine; its folder holds sam.yaml and the zips."""
    return built_for("host", tmp_path_factory)


@pytest.fixture(scope="package")
def fake_paypal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakePayPal]:
    """Run a fake PayPal of the deployed shop's own."""
    folder = tmp_path_factory.mktemp("paypal")
    with FakePayPal(folder, port=free_port(), client_secret=SECRET, webhook_id=WEBHOOK) as running:
        running.control.automatic(False)
        yield running


@pytest.fixture(scope="package")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    """Run a region."""
    with Region(tmp_path_factory.mktemp("region")) as running:
        yield running


@pytest.fixture(scope="package")
def first_pass(region: Region, fake_paypal: FakePayPal, packaged: Path) -> Stack:
    """Create the stack as an operator does at first: PayPal knows no webhook of it yet."""
    region.client("ssm").put_parameter(Name="/awning/paypal-client-secret", Value=SECRET, Type="SecureString")
    region.client("sesv2").create_email_identity(EmailIdentity=settings.shop.email)
    stack = Stack(region, packaged)
    stack.create(_parameters(fake_paypal))
    return stack


@pytest.fixture(scope="package")
def unnotified(first_pass: Stack) -> Answer:
    """Post a notification while the webhook has no ID."""
    return Visitor(first_pass).send("POST", "/api/webhooks/paypal", body=b"{}")


@pytest.fixture(scope="package")
def stack(first_pass: Stack, unnotified: Answer, fake_paypal: FakePayPal) -> Stack:
    """Finish the deployment: the second pass, a few things to buy, somebody behind the counter."""
    stack = first_pass
    known = {"PublicUrl": stack.outputs["ShopUrl"], "PayPalWebhookId": WEBHOOK}
    stack.update(_parameters(fake_paypal) | known)
    fake_paypal.control.set_webhook(stack.here(stack.outputs["WebhookUrl"]))
    stack.operate("infra.commands.import_catalog", str(CATALOG))
    stack.operate("infra.commands.create_staff_user", STAFF[0], "merchant", typed=f"{STAFF[1]}\n")
    return stack


@pytest.fixture
def visitor(stack: Stack) -> Visitor:
    """Let a visitor in."""
    return Visitor(stack)


@pytest.fixture
def paypal(fake_paypal: FakePayPal) -> Control:
    """Return what steers PayPal."""
    return fake_paypal.control


def _parameters(fake_paypal: FakePayPal) -> dict[str, str]:
    return {
        "PayPalClientId": fake_paypal.client_id,
        "PayPalApiUrl": fake_paypal.api_url,
        "PayPalWebUrl": fake_paypal.web_url,
    }

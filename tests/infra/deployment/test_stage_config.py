"""A stage's file: what it may say, and what is said of what it may not."""

from pathlib import Path

import pytest

from infra.aws import stage_config
from infra.aws.stage_config import BadStage, Stage, read_stage

KNOWN = {
    "PayPalClientId": {"MinLength": 1, "Description": "Of the app."},
    "TablePrefix": {"Default": "awning-", "AllowedPattern": "[a-z-]*", "Description": "Begins names."},
    "Cdn": {"Default": "no", "AllowedValues": ["no", "yes"]},
    "Most": {"Default": 5, "Type": "Number", "MinValue": 1},
    "AlarmEmail": {"Default": "", "AllowedPattern": "|[^@ ]+@[^@ ]+"},
    "Timezone": {"Default": "UTC"},
    "Currency": {"Default": "EUR", "AllowedPattern": "[A-Z]{3}"},
}
GOOD = 'region = "eu-central-1"\n[parameters]\nPayPalClientId = "abc"\n'


def reading(folder: Path, text: str, name: str = "prod") -> Stage:
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return read_stage(name, folder, KNOWN)


def test_a_file_with_the_least_is_a_stage(tmp_path: Path) -> None:
    assert reading(tmp_path, GOOD) == Stage(
        "prod", region="eu-central-1", stack="awning-prod", arch="arm64", parameters={"PayPalClientId": "abc"}
    )


def test_a_file_may_name_account_stack_and_machine(tmp_path: Path) -> None:
    own = 'account = "123456789012"\nstack = "tea"\narch = "x86_64"\n'
    stage = reading(tmp_path, own + GOOD)
    assert (stage.account, stage.stack, stage.arch) == ("123456789012", "tea", "x86_64")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            GOOD + 'TablePrefx = "x-"\n',
            "TablePrefx is not a parameter of the template. Did you mean TablePrefix?",
        ),
        (GOOD + 'TablePrefix = "X_"\n', "TablePrefix cannot be 'X_'. Begins names."),
        (GOOD + 'Cdn = "maybe"\n', "Cdn must be one of 'no', 'yes', not 'maybe'."),
        (GOOD + "Most = 0\n", "Most must be a number of 1 or more, not '0'."),
        (GOOD + 'Most = "many"\n', "Most must be a number of 1 or more, not 'many'."),
        (GOOD + "Cdn = true\n", 'Cdn must be text in quotes, such as Cdn = "…".'),
        (GOOD + 'PayPalClientSecret = "s"\n', "Store the secret in SSM: make secret"),
        (GOOD.replace('"abc"', '""'), "PayPalClientId cannot be ''. Of the app."),
        ('region = "eu-central-1"\n', "PayPalClientId is missing from [parameters]: Of the app."),
        ("[parameters]\nPayPalClientId = 'a'\n", "region must be an AWS region"),
        ('Cdn = "yes"\n' + GOOD, "Cdn is not a setting. It belongs below [parameters]: Cdn = …"),
        ('acount = "1"\n' + GOOD, "acount is not a setting. Did you mean account?"),
        ("account = 123456789012\n" + GOOD, "account must be twelve digits in quotes"),
        ('stack = "a b"\n' + GOOD, "stack must have at most 30 lowercase letters"),
        (GOOD.replace("eu-central-1", "cn-north-1"), "region is in a separate AWS partition"),
        (GOOD.replace("eu-central-1", "us-gov-west-1"), "region is in a separate AWS partition"),
        ('arch = "riscv"\n' + GOOD, "arch must be arm64 or x86_64."),
        (
            GOOD + 'AlarmEmail = "ann@shop"\n',
            "AlarmEmail cannot be 'ann@shop'. Please check the email address",
        ),
        (GOOD + 'AlarmEmail = "ann@shop..example"\n', "AlarmEmail cannot be 'ann@shop..example'."),
        (GOOD + 'AlarmEmail = " "\n', "AlarmEmail cannot be ' '."),
        (GOOD + 'Timezone = "Europe/Berln"\n', "Timezone cannot be 'Europe/Berln'. Use a time zone such as"),
        (GOOD + 'Timezone = "Europe/Berln"\n', "Did you mean Europe/Berlin?"),
        (GOOD + 'Timezone = "Europe"\n', "Timezone cannot be 'Europe'."),
        (GOOD + 'Timezone = ""\n', "Timezone cannot be ''."),
        (GOOD + 'Currency = "XYZ"\n', "Currency cannot be 'XYZ'. PayPal supports AUD, BRL, CAD,"),
        (GOOD + 'Currency = "eur"\n', "Currency cannot be 'eur'."),
        ('region = "eu-central-1"\nparameters = 3\n', "parameters must be a table"),
    ],
)
def test_each_fault_is_said_in_words(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(BadStage) as refused:
        reading(tmp_path, text)
    assert fault in str(refused.value)


def test_invisible_characters_are_removed_from_the_alarm_address(tmp_path: Path) -> None:
    stage = reading(tmp_path, GOOD + 'AlarmEmail = "\u200bAnn@Shöp.example\u00a0"\n')
    assert stage.parameters["AlarmEmail"] == "Ann@xn--shp-tna.example"
    assert reading(tmp_path, GOOD + 'AlarmEmail = ""\n').parameters["AlarmEmail"] == ""


def test_all_faults_are_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadStage) as refused:
        reading(tmp_path, 'arch = "riscv"\n[parameters]\nCdn = "maybe"\n')
    assert len(str(refused.value).splitlines()) == 5


def test_a_missing_stage_file_is_reported_with_the_existing_ones(tmp_path: Path) -> None:
    reading(tmp_path, GOOD, "prod")
    with pytest.raises(BadStage, match=r"Stages with a file: prod\.\nCopy .*/example\.toml to it"):
        read_stage("test", tmp_path, KNOWN)


@pytest.mark.parametrize("name", ["", "local", "example", "../prod", "Prod", "a b"])
def test_an_invalid_stage_name_reads_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadStage, match="Name a stage, such as STAGE=prod"):
        read_stage(name, tmp_path, KNOWN)


def test_invalid_toml_is_reported(tmp_path: Path) -> None:
    with pytest.raises(BadStage, match="cannot be read"):
        reading(tmp_path, "region = eu")


def test_the_example_is_one_client_id_away_from_a_stage(tmp_path: Path) -> None:
    example = (stage_config.FOLDER / "example.toml").read_text(encoding="utf-8")
    filled = example.replace('PayPalClientId = ""', 'PayPalClientId = "abc"')
    uncommented = filled.replace('# account = "', 'account = "').replace("# AlarmEmail", "AlarmEmail")
    for text in (filled, uncommented):
        (tmp_path / "prod.toml").write_text(text, encoding="utf-8")
        assert read_stage("prod", tmp_path).parameters["PayPalClientId"] == "abc"


def test_the_templates_parameters_are_those_a_file_may_name() -> None:
    known = stage_config.declared()["Parameters"]
    assert {"TablePrefix", "PublicUrl", "PayPalWebhookId", "DomainName", "Cdn", "AlarmEmail"} <= known.keys()
    assert [name for name, facts in known.items() if "Default" not in facts] == ["PayPalClientId"]

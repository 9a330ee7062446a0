import datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from e2e3d.service.webhooks.retry_schedule import MAX_ATTEMPTS, retry_delay_s
from e2e3d.service.webhooks.signing import job_salt, new_salt, signed_headers, signing_secret

KEY = "k" * 32


def test_a_receiver_verifies_with_the_reference_library() -> None:
    secret = signing_secret(KEY, new_salt())
    headers = signed_headers("msg_1", datetime.datetime.now(datetime.UTC), '{"type":"job.failed"}', [secret])
    assert Webhook(secret).verify('{"type":"job.failed"}', headers) == {"type": "job.failed"}
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify('{"type":"job.succeeded"}', headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify('{"type":"job.failed"}', headers | {"webhook-id": "msg_2"})


def test_the_published_example_gives_the_published_signature() -> None:
    """The test vector of the specification's reference libraries."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    at = datetime.datetime.fromtimestamp(1614265330, datetime.UTC)
    headers = signed_headers("msg_p5jXN8AQM9LWM0D4loKWxJek", at, '{"test": 2432232314}', [secret])
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_while_a_secret_changes_both_verify() -> None:
    old, new = (signing_secret(KEY, new_salt()) for _ in range(2))
    headers = signed_headers("msg_1", datetime.datetime.now(datetime.UTC), "{}", [new, old])
    for secret in (old, new):
        Webhook(secret).verify("{}", headers)


def test_a_secret_depends_on_the_key_and_the_salt() -> None:
    salts = [new_salt(), new_salt(), job_salt("a"), job_salt("b")]
    assert len({signing_secret(key, salt) for key in (KEY, "j" * 32) for salt in salts}) == 8


def test_the_pauses_grow_and_end() -> None:
    pauses = [retry_delay_s(attempts, 0.0) for attempts in range(1, MAX_ATTEMPTS)]
    assert pauses == [5, 25, 125, 625, 3125, 15625, 78125]
    assert retry_delay_s(MAX_ATTEMPTS, 0.0) is None
    assert retry_delay_s(1, 0.999) == pytest.approx(6.25, abs=0.01)


def test_a_receiver_can_ask_for_a_longer_pause_but_not_for_a_shorter_one() -> None:
    assert retry_delay_s(1, 0.0, 60.0) == 60
    assert retry_delay_s(3, 0.0, 1.0) == 125
    assert retry_delay_s(1, 0.0, 1e9) == 86400

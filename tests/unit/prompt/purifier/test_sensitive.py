"""The table of sensitive data: what is found, and what only looks like it."""

from __future__ import annotations

import re
import time

import pytest

from vcplab.core.errors import InvalidInputError, OperationTimeoutError
from vcplab.prompt.purifier import FAMILIES, ContextPurifier
from vcplab.prompt.purifier.sensitive import MARK, filtering
from vcplab.prompt.purifier.sensitive.bank_card import is_bank_card
from vcplab.prompt.purifier.sensitive.cn_id import is_cn_id

# (family, text with what is to be found in ⟦ ⟧)
POSITIVES = [
    # keys: by their beginning
    ("keys", "key ⟦sk-abcdefghijklmnop12345678⟧ ok"),
    ("keys", "我的key是⟦sk-proj-Ab3dEf6hIj9kLmNoPqRsTuVw⟧，别外传"),
    ("keys", "⟦sk-ant-api03-abcdefghijklmnopqrst⟧"),
    ("keys", "stripe ⟦sk_live_abcdefghijklmnop1234⟧"),
    ("keys", "push with ⟦ghp_abcdefghijklmnopqrstuvwxyz0123456789⟧"),
    ("keys", "⟦github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz⟧"),
    ("keys", "⟦glpat-abcdefghij0123456789⟧"),
    ("keys", "模型令牌⟦hf_abcdefghijklmnopqrstuvwx⟧"),
    ("keys", "⟦xoxb-123456789012-abcdefGHIJ⟧"),
    ("keys", "⟦npm_abcdefghijklmnopqrstuvwxyz0123456789⟧"),
    ("keys", "⟦AKIAIOSFODNN7EXAMPLE⟧ is the id"),
    ("keys", "⟦AIzaSyA1234567890abcdefghijklmnopqrstuv⟧"),
    ("keys", "阿里云⟦LTAI5tAbCdEfGhIjKlMnOp⟧"),
    ("keys", "bot ⟦123456789:AAabcdefghijklmnopqrstuvwxyz0123456⟧"),
    ("keys", "⟦eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcDEF123_-⟧"),
    ("keys", "⟦-----BEGIN RSA PRIVATE KEY-----\nMIIEabc/+=\n-----END RSA PRIVATE KEY-----⟧"),
    ("keys", "⟦-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk⟧"),
    # keys: by what is written before
    ("keys", "Authorization: Bearer ⟦abcdef0123456789abcdef⟧"),
    ("keys", "Authorization: Basic ⟦dXNlcjpwYXNzd29yZA==⟧"),
    ("keys", "api_key=⟦9f8e7d6c5b4a⟧"),
    ("keys", 'apiKey: "⟦Zx81kqPw77⟧"'),
    ("keys", '{"client_secret": "⟦a1b2c3d4e5f6⟧"}'),
    ("keys", "OPENAI_API_KEY=⟦abc123def456⟧"),
    ("keys", "AWS_SECRET_ACCESS_KEY=⟦wJalrXUtnFEMI/K7MDENG⟧"),
    ("keys", "password: ⟦hunter2!⟧"),
    ("keys", "passwd=⟦Tr0ub4dor⟧"),
    ("keys", "password = '⟦correcthorse⟧'"),
    ("keys", "密码：⟦abc12345⟧。"),
    ("keys", "密码是⟦Qwerty@123⟧，请记住"),
    ("keys", "口令: ⟦888666⟧"),
    ("keys", "密钥=⟦k8s-Xy9z-0021⟧"),
    ("keys", "VCP_Key=⟦vcp2024Secret⟧"),
    ("keys", "access_token: ⟦ya_29a0AfH6SMBx⟧"),
    ("keys", "password：⟦ｈｕｎｔｅｒ２⟧"),
    # url_credentials
    ("url_credentials", "postgres://⟦admin:s3cret⟧@db.example.com:5432/main"),
    ("url_credentials", "git clone https://⟦bob:pa55⟧@github.com/x/y.git"),
    ("url_credentials", "redis://⟦:mypass⟧@10.0.0.5:6379"),
    ("url_credentials", "mongodb+srv://⟦u:p%40ss⟧@cluster0.mongodb.net"),
    ("url_credentials", "https://x.com/a?token=⟦abcdef123456⟧&b=1"),
    ("url_credentials", "https://x.com/a?b=1&api_key=⟦abcdef⟧"),
    ("url_credentials", "https://s3.x.com/o?X-Amz-Signature=⟦0a1b2c3d4e⟧&n=2"),
    ("url_credentials", "访问https://x.cn/?access_token=⟦T0kenValue9⟧即可"),
    ("url_credentials", "ws://host:6005/vcp-distributed-server/VCP_Key=⟦123456⟧"),
    # email
    ("email", "write to ⟦jane.doe@example.com⟧."),
    ("email", "邮箱⟦zhang_san@qq.com⟧，谢谢"),
    ("email", "⟦first+tag@sub.domain.co.uk⟧"),
    ("email", "<⟦a@b.cn⟧>"),
    ("email", "⟦UPPER-case.99@Mail.ORG⟧;⟦x@y.io⟧"),
    ("email", "联系⟦wang123@163.com⟧或电话"),
    ("email", "mailto:⟦info@company.de⟧?subject=hi"),
    ("email", "全角⟦ａｂｃ＠ｅｘａｍｐｌｅ．ｃｏｍ⟧也算"),
    ("email", "⟦12345678@qq.com⟧"),
    # phone
    ("phone", "手机⟦13812345678⟧联系"),
    ("phone", "⟦138-1234-5678⟧"),
    ("phone", "⟦139 1234 5678⟧"),
    ("phone", "⟦+86 18612345678⟧"),
    ("phone", "⟦+86-199-1234-5678⟧"),
    ("phone", "⟦008613912345678⟧"),
    ("phone", "电话：⟦１５０１２３４５６７８⟧"),
    ("phone", "座机⟦010-88886666⟧"),
    ("phone", "⟦(021) 6888 6666⟧"),
    ("phone", "⟦0755-2345678⟧"),
    ("phone", "⟦0571-88889999转801⟧"),
    ("phone", "⟦02161234567⟧"),
    ("phone", "call ⟦+1 (415) 555-2671⟧ now"),
    ("phone", "⟦+44 20 7946 0958⟧"),
    ("phone", "⟦+852 2123 4567⟧"),
    ("phone", "⟦+4915112345678⟧"),
    ("phone", "⟦(212) 555-0187⟧"),
    ("phone", "⟦415-555-2671⟧, ask for Ann"),
    ("phone", "⟦1-800-555-0199⟧"),
    # cn_id
    ("cn_id", "身份证⟦11010519491231002X⟧"),
    ("cn_id", "⟦11010519491231002x⟧，小写也算"),
    ("cn_id", "ID ⟦440524188001010014⟧."),
    ("cn_id", "号码：⟦１１０１０５１９４９１２３１００２Ｘ⟧"),
    # bank_card
    ("bank_card", "card ⟦4111111111111111⟧"),
    ("bank_card", "⟦4111 1111 1111 1111⟧"),
    ("bank_card", "⟦5500-0000-0000-0004⟧"),
    ("bank_card", "amex ⟦378282246310005⟧"),
    ("bank_card", "amex ⟦3782 822463 10005⟧"),
    ("bank_card", "⟦6011111111111117⟧"),
    ("bank_card", "⟦3530111333300000⟧"),
    ("bank_card", "⟦30569309025904⟧"),
    ("bank_card", "银联⟦6222021234567890128⟧卡"),
    ("bank_card", "尾号⟦6217 0000 1234 5678 907⟧"),
    # ip
    ("ip", "host ⟦192.168.1.10⟧ is down"),
    ("ip", "服务器⟦10.0.0.5⟧挂了"),
    ("ip", "http://⟦8.8.8.8⟧:8080/x"),
    ("ip", "⟦203.0.113.254⟧."),
    ("ip", "⟦2001:db8:85a3::8a2e:370:7334⟧"),
    ("ip", "⟦fe80::1ff:fe23:4567:890a⟧"),
    ("ip", "[⟦2001:db8::1⟧]:443"),
    ("ip", "⟦2001:0db8:0000:0000:0000:ff00:0042:8329⟧"),
    ("ip", "⟦::ffff:192.0.2.128⟧"),
]

NEGATIVES = [
    ("keys", "sk-learn is a library"),
    ("keys", "the task-oriented desk-bound risk-averse"),
    ("keys", "password: required"),
    ("keys", "The password is secret."),
    ("keys", "请输入密码：长度不少于八位"),
    ("keys", "api_key=<your-api-key>"),
    ("keys", "api_key = os.environ['KEY']"),
    ("keys", "token: $TOKEN_1234"),
    ("keys", "password: ${DB_PASSWORD_1}"),
    ("keys", "max_tokens=8000, total_token=12345678"),
    ("keys", "commit 3f2b8c9d0e1f2a3b4c5d6e7f8091a2b3c4d5e6f7"),
    ("keys", "uuid 123e4567-e89b-12d3-a456-426614174000"),
    ("keys", "api_key=None"),
    ("keys", "密钥是一种加密方式"),
    ("keys", "token: your-token-here1"),
    ("keys", "Basic understanding of it"),
    ("url_credentials", "https://example.com/path?x=1"),
    ("url_credentials", "https://example.com:8080/a@b"),
    ("url_credentials", "mysql://root@localhost/db"),
    ("url_credentials", "https://x.com/?keyword=hello1234"),
    ("url_credentials", "https://x.com/?monkey=abcdefgh"),
    ("url_credentials", "http://a.b/?time=12:30@noon"),
    ("email", "@user mentioned you"),
    ("email", "icon@2x.png"),
    ("email", "lodash@4.17.21"),
    ("email", "pkg@1.2.0-rc.beta"),
    ("email", "a@b"),
    ("email", "3 apples @ 2.50 each"),
    ("email", "user@localhost"),
    ("email", "foo@.com and bar@com."),
    ("phone", "2023-05-03"),
    ("phone", "12812345678"),
    ("phone", "订单号202305031381234567812"),
    ("phone", "1381234567"),
    ("phone", "138123456789"),
    ("phone", "ISBN 978-7-111-12345-6"),
    ("phone", "3.14159265358979"),
    ("phone", "版本 1.2.3.4"),
    ("phone", "价格13812345678.50元"),
    ("phone", "a13812345678b"),
    ("phone", "010-1234"),
    ("phone", "2 + 3 = 5, +86 is China"),
    ("phone", "100-200-3000"),
    ("phone", "10:30-11:45"),
    ("cn_id", "11010519491231002Y"),
    ("cn_id", "110105194912310021"),
    ("cn_id", "11010519491331002X"),
    ("cn_id", "99010519491231002X"),
    ("cn_id", "1101051949123100"),
    ("cn_id", "A11010519491231002X"),
    ("cn_id", "111111111111111111"),
    ("bank_card", "4111111111111112"),
    ("bank_card", "1234567890123456"),
    ("bank_card", "订单 2023050312345678"),
    ("bank_card", "0000000000000000"),
    ("bank_card", "4444444444444444"),
    ("bank_card", "3.4111111111111111"),
    ("bank_card", "4111 11111111 1111"),
    ("bank_card", "41111111111111111111"),
    ("bank_card", "1700000000000"),
    ("ip", "127.0.0.1"),
    ("ip", "0.0.0.0:8000"),
    ("ip", "255.255.255.255"),
    ("ip", "version 1.2.3.4"),
    ("ip", "v10.0.19041.1"),
    ("ip", "版本号：4.0.30319.42"),
    ("ip", "300.1.2.3"),
    ("ip", "1.2.3.4.5"),
    ("ip", "2023.05.03"),
    ("ip", "std::vector<int>"),
    ("ip", "12:30:45"),
    ("ip", "00:1A:2B:3C:4D:5E"),
    ("ip", "a::b"),
    ("ip", "Foo::Bar::baz"),
    ("ip", "::1"),
    ("ip", "ratio 1:2:3"),
]


def filtered(text: str, family: str) -> str:
    purifier = ContextPurifier(
        filter_sensitive=True, sensitive=[family], normalize_quotes=False, remove_duplicates=False
    )
    return purifier.purify(text).content


def test_the_table_is_large_enough() -> None:
    assert len(POSITIVES) + len(NEGATIVES) >= 120
    assert {family for family, _ in POSITIVES} == set(FAMILIES)
    assert {family for family, _ in NEGATIVES} == set(FAMILIES)


@pytest.mark.parametrize(("family", "marked"), POSITIVES)
def test_what_is_found(family: str, marked: str) -> None:
    text = marked.replace("⟦", "").replace("⟧", "")
    assert filtered(text, family) == re.sub("⟦[^⟧]*⟧", MARK, marked)


@pytest.mark.parametrize(("family", "text"), NEGATIVES)
def test_what_only_looks_like_it(family: str, text: str) -> None:
    assert filtered(text, family) == text


def test_nothing_is_filtered_unless_asked() -> None:
    text = "mail jane@example.com, call 13812345678"
    result = ContextPurifier().purify(text)
    assert result.content == text
    assert not result.modifications


def test_switches_by_name() -> None:
    text = "mail jane@example.com, call 13812345678"
    purifier = ContextPurifier(filter_sensitive=True, sensitive={"email": False})
    result = purifier.purify(text)
    assert result.content == f"mail jane@example.com, call {MARK}"
    (change,) = result.modifications
    assert (change.type, change.count) == ("sensitive", 1)
    with pytest.raises(InvalidInputError, match="passport"):
        ContextPurifier(sensitive=["passport"])


def test_finds_that_overlap_are_one() -> None:
    purifier = ContextPurifier(filter_sensitive=True)
    result = purifier.purify("https://bob:pa55@mail.example.com/x")
    assert result.content == f"https://{MARK}/x"


def test_own_patterns() -> None:
    purifier = ContextPurifier(
        filterSensitive=True, sensitivePatterns=[r"工号\d+", re.compile("ann", re.I)]
    )
    result = purifier.purify("工号12345 is ANN")
    assert result.content == f"{MARK} is {MARK}"
    assert purifier.purify(result.content).content == result.content


def test_own_patterns_that_match_the_mark_end() -> None:
    purifier = ContextPurifier(filter_sensitive=True, sensitive_patterns=[r"\w+", r"\]|D"])
    once = purifier.purify("a b").content
    assert once == f"{MARK} {MARK}"
    assert purifier.purify(once).content == once


def test_own_patterns_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filtering, "LIMIT", 0.05)
    purifier = ContextPurifier(filter_sensitive=True, sensitive_patterns=[r"(a|aa)+$"])
    start = time.monotonic()
    with pytest.raises(OperationTimeoutError, match=r"more than 0\.05 s"):
        purifier.purify("a" * 40 + "b")
    assert time.monotonic() - start < 10


def test_a_broken_pattern_is_refused_at_once() -> None:
    with pytest.raises(InvalidInputError, match="no regular expression"):
        ContextPurifier(sensitive_patterns=["("])


def test_protected_pieces_keep_theirs_and_the_result_says_so() -> None:
    text = "my key: `sk-abcdefghijklmnop1234`\n\n```\njane@example.com\n```"
    result = ContextPurifier(filter_sensitive=True).purify(text)
    assert result.content == text
    assert result.sensitive_left == 2
    assert "left in code or blocks" in result._repr_html_()
    open_result = ContextPurifier(filter_sensitive=True, preserve_code_blocks=False).purify(text)
    assert open_result.content == f"my key: `{MARK}`\n\n```\n{MARK}\n```"
    assert open_result.sensitive_left == 0


def test_check_digits() -> None:
    assert is_cn_id("11010519491231002X")
    assert not is_cn_id("11010519491231002" + "1")
    assert is_bank_card("4111111111111111")
    assert not is_bank_card("4111111111111121")


@pytest.mark.parametrize(
    "piece", ["a@", "1.", "::", "13", "sk-", "4 ", "password:", "-----BEGIN", "+1 ", "x://"]
)
def test_hostile_texts_take_linear_time(piece: str) -> None:
    text = piece * (60_000 // len(piece))
    start = time.process_time()
    for family in FAMILIES.values():
        list(family.find(text))
    assert time.process_time() - start < 5

"""Alipay on small files in the exact format, with and without a header line."""

import numpy as np
import pytest

from magus_pyg.data import AlipayOptions, load_dataset
from magus_pyg.errors import DataError

HEADER = "use_ID,sel_ID,ite_ID,cat_ID,act_ID,time\n"
LOG = (
    "10001,20002,30003,404,0,20151015\n"
    "10001,20002,30003,404,1,20151015\n"
    "7,20002,30004,405,0,20150701\n"
    "10001,20001,30005,404,0,20151130\n"
    "7,20002,30004,405,1,20151031\n"
)


def write(folder, text=LOG, name="ijcai2016_taobao"):
    (folder / "alipay").mkdir(exist_ok=True)
    (folder / "alipay" / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def test_values_by_hand(tmp_path):
    data = load_dataset(AlipayOptions(), write(tmp_path))
    assert data.user_ids.tolist() == ["7", "10001"]
    assert data.items.to_dict("list") == {
        "item_id": ["30003", "30004", "30005"],
        "cat_id": ["cat_404", "cat_405", "cat_404"],
        "seller_id": ["seller_20002", "seller_20002", "seller_20001"],
    }
    assert data.user.tolist() == [0, 0, 1, 1, 1]
    assert data.item.tolist() == [1, 1, 0, 0, 2]
    days = ["2015-07-01", "2015-10-31", "2015-10-15", "2015-10-15", "2015-11-30"]
    assert data.time.tolist() == np.array(days, "datetime64[s]").astype(np.int64).tolist()
    assert data.actions == ("click", "buy")
    assert data.action.tolist() == [0, 1, 0, 1, 0]
    assert data.label.tolist() == [0, 1, 0, 1, 0]
    assert data.notes == {}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (HEADER + LOG, "ijcai2016_taobao.csv"),
        ("User_id,Seller_id,Item_id,Category_id,Online_Action_id,Time_Stamp\n" + LOG, "ijcai2016_taobao.csv"),
        (HEADER.replace("time\n", "time\r\n\r\n") + LOG, "ijcai2016_taobao"),  # a stray line end
        (LOG.replace("\n", "\r\r\n"), "ijcai2016_taobao"),
        (LOG.replace(",20151015", ", 20151015 "), "ijcai2016_taobao"),
    ],
)
def test_what_makes_no_difference(tmp_path, text, name):
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    expected = load_dataset(AlipayOptions(), write(tmp_path / "first")).fingerprint
    data = load_dataset(AlipayOptions(), write(tmp_path / "second", text, name))
    assert data.fingerprint == expected
    assert data.notes == {}


@pytest.mark.parametrize("inside", [HEADER, "time\n", "time\n\n"])
def test_a_header_repeated_inside_is_counted(tmp_path, inside):
    data = load_dataset(AlipayOptions(), write(tmp_path, HEADER + LOG[:66] + inside + LOG[66:]))
    assert data.user.size == 5
    assert data.notes == {"header lines inside the log, left out": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            LOG + "1,2,3,4,2,20151015\n",
            r"ijcai2016_taobao, line 6, column 'action': 2 is no action; they are 0 click, 1 b",
        ),
        (
            LOG + "1,2,3,4,0,20151301\n",
            r"line 6, column 'day': 20151301 is no day \(YYYYMMDD\) from 2015-07-01 to 2015-11",
        ),
        (LOG + "1,2,3,4,0\n1,2,3,4,0,20151015\n", r"line 6: 5 columns instead of 6"),
        (
            HEADER.replace("cat_ID", "kind") + LOG,
            r"line 1: the header .* lacks category; there must be user, seller, item",
        ),
        (LOG + "1,2,3,4,0,October\n", r"line 6, column 'day': 'October' is no whole number"),
    ],
)
def test_bad_rows(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        load_dataset(AlipayOptions(), write(tmp_path, text))


def test_two_copies(tmp_path):
    write(tmp_path)
    write(tmp_path, HEADER + LOG, "ijcai2016_taobao.csv")
    with pytest.raises(DataError, match=r"holds ijcai2016_taobao and ijcai2016_taobao.csv; keep one of them"):
        load_dataset(AlipayOptions(), tmp_path)


def test_clicks_alone(tmp_path):
    with pytest.raises(DataError, match=r"no row is one of positive_actions \(buy\)"):
        load_dataset(AlipayOptions(only_actions=["click"]), write(tmp_path))
    data = load_dataset(AlipayOptions(only_actions=["click"], positive_actions=["click"]), write(tmp_path))
    assert (data.user.size, int(data.label.sum())) == (3, 3)


def test_ids_far_apart(tmp_path):
    text = "9000000000000,2,3,4,1,20151015\n1,2,-0,4,0,20151015\n1,2,3,4,0,20151015\n"
    data = load_dataset(AlipayOptions(), write(tmp_path, text))
    assert data.user_ids.tolist() == ["1", "9000000000000"]
    assert data.item_ids.tolist() == ["0", "3"]

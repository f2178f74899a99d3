"""Images that cannot be read are found before training."""

import pytest
from train_processes import image_folder

from pa_nn.check_images import damage, main


@pytest.fixture
def folder(tmp_path):
    return image_folder(tmp_path / "set", classes=2, train=3, val=1, size=8)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_every_damaged_image_is_named(folder, capsys, workers):
    command = ["--data", str(folder), "--workers", workers]
    assert main(command) == 0
    assert capsys.readouterr().out == "8 images, 0 cannot be read\n"
    victims = [folder / "train" / "n0000" / "1.JPEG", folder / "val" / "n0001" / "0.png"]
    for victim in victims:
        victim.write_bytes(victim.read_bytes()[:60])
    assert main(command) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    assert [line.partition(": cannot be read as an image (")[0] for line in lines] == [
        str(victim) for victim in victims
    ]
    assert last == "8 images, 2 cannot be read"


def test_a_missing_file_is_damage(tmp_path):
    assert f"{tmp_path / 'no.png'}: cannot be read" in (damage(tmp_path / "no.png") or "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere"], "nowhere: no such folder"),
        (["--data", ".", "--workers", "-1"], "--workers must be at least 0, not -1"),
        ([], "the following arguments are required: --data"),
    ],
)
def test_bad_input_is_one_line(capsys, arguments, message):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("pa_nn.check_images: ")
    assert message in err

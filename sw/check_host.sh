#!/bin/sh
# Name in one line what this machine lacks to set the project up; status 2 if anything.
# Usage: check_host.sh PYTHON
python=$1
missing=
lack() { missing="${missing:+$missing, }$1"; }

if ! command -v "$python" >/dev/null 2>&1; then
    lack "Python >= 3.11 ($python not found)"
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    lack "Python >= 3.11 ($python is $("$python" -c 'import platform; print(platform.python_version())'))"
else
    "$python" -c 'import venv, ensurepip' 2>/dev/null || lack "Python's venv module"
    # cocotb embeds the interpreter into the simulator, which needs the shared library.
    "$python" - <<'EOF' 2>/dev/null || lack "Python's shared libpython"
import ctypes, os, sysconfig
names = {sysconfig.get_config_var("INSTSONAME"), sysconfig.get_config_var("LDLIBRARY")}
names = [name for name in names if name and ".so" in name]
names += ["libpython%s.so.1.0" % sysconfig.get_python_version()]
for name in names:
    for path in (os.path.join(sysconfig.get_config_var("LIBDIR") or "", name), name):
        try:
            ctypes.CDLL(path)
            raise SystemExit(0)
        except OSError:
            pass
raise SystemExit(1)
EOF
fi
command -v perl >/dev/null 2>&1 || lack perl
command -v "${CXX:-g++}" >/dev/null 2>&1 || command -v c++ >/dev/null 2>&1 || lack "a C++ compiler"
command -v make >/dev/null 2>&1 || lack make

if [ -n "$missing" ]; then
    echo "setup: this machine lacks: $missing" >&2
    exit 2
fi

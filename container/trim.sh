#!/bin/sh
# Remove from installed packages what only their developers need: tests, examples, sources of C
# and Cython, and type stubs. `trim.sh FOLDER`
set -eu
cd "$1"
# numpy.testing, which scipy imports, needs one module of numpy's tests
find . -path '*/numpy/_core/tests/*' -type f ! -name '_natype.py' ! -name '__init__.py' -delete
find . -type d -name tests ! -path '*/numpy/_core/tests' -prune -exec rm -r {} +
find . -type d \( -path '*/traits/examples' -o -path '*/traits/stubs_tests' -o -path '*/nipype/testing/data' \
    -o -path '*/mpl-data/sample_data' -o -path '*/numpy/_core/include' -o -path '*/sqlalchemy/testing' \) \
    -prune -exec rm -r {} +
find . -type f \( -name '*.c' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.h' -o -name '*.pyi' \) -delete

"""Every symbol that a library defines is Nestor's, or the standard library's or RocksDB's own inline code.

  third_party_symbols.py NM LIBRARY...
"""
import re
import subprocess
import sys

# Instantiations of the standard library over whatever types, and C++'s own: one meaning in every program.
# RocksDB is linked as a shared library, so that its inline functions are those of that very library.
ALLOWED = re.compile(r"nestor|^(guard variable for |vtable for |typeinfo (name )?for |construction vtable for |VTT for |"
                     r"(non-virtual|virtual) thunk to |decltype \(.*\) |[\w:<>*&, ]+ )?(std::|__gnu_cxx::|operator |rocksdb::|DW\.ref\.)")


def foreign_symbols(nm, library):
    listed = subprocess.run([nm, "-C", "--defined-only", "--extern-only", library], capture_output=True, text=True,
                            check=True).stdout
    for line in listed.splitlines():
        parts = line.split(maxsplit=2)
        if len(parts) == 3 and len(parts[1]) == 1 and not ALLOWED.search(parts[2]):
            yield parts[2]


foreign = sorted({symbol for library in sys.argv[2:] for symbol in foreign_symbols(sys.argv[1], library)})
print("\n".join(foreign[:50]))
sys.exit(1 if foreign else 0)

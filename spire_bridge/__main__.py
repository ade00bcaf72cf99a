"""`python -m spire_bridge` is `spire-bridge`."""

import sys

from spire_bridge.cli.main import main

sys.exit(main())

"""Prints, as JSON, how the SAM CLI reads a template. Runs in the SAM CLI's own environment.

`sam local` looks for a container engine before it looks for the function, so that its command line cannot
show this without one. These are the providers its commands use.
"""

import json
import sys

from samcli.lib.providers.api_provider import ApiProvider  # type: ignore[import-not-found]
from samcli.lib.providers.sam_function_provider import SamFunctionProvider  # type: ignore[import-not-found]
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider  # type: ignore[import-not-found]


def main() -> None:
    stacks, _ = SamLocalStackProvider.get_stacks(sys.argv[1])
    functions = SamFunctionProvider(stacks, ignore_code_extraction_warnings=True)
    routes = ApiProvider(stacks).api.routes
    read = {
        "functions": {
            function.function_id: {
                "logical_id": function.name,
                "handler": function.handler,
                "code": function.codeuri,
                "runtime": function.runtime,
                "timeout": function.timeout,
                "variables": sorted(function.environment["Variables"]),
            }
            for function in functions.get_all()
        },
        "routes": [
            {
                "method": method,
                "path": route.path,
                "function": route.function_name,
                "payload": route.payload_format_version,
            }
            for route in routes
            for method in route.methods
            if method != "OPTIONS"
        ],
    }
    sys.stdout.write(json.dumps(read))


if __name__ == "__main__":
    main()

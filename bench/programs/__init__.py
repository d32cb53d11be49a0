"""Real programs from Debian's packages, on real input: compilers, interpreters, servers, tools."""
from programs import allocating, compilers, databases, languages, servers, tools

WORKLOADS = [*languages.WORKLOADS, *compilers.WORKLOADS, *databases.WORKLOADS,
             *servers.WORKLOADS, *tools.WORKLOADS, *allocating.WORKLOADS]

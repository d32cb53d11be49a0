/* A plugin that libloam.a is part of: it names nothing of its own. */

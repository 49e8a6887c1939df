/** What `central-hub render --help` prints. */
export const RENDER_HELP = `Renders the permissions that a running hub declares, for the configuration file of nats-server.

usage: central-hub render nats-permissions [flags]

  --version VERSION  the version of the documents, such as phase2; without it the hub chooses
  --output FILE      write the block to this file, in place of what it holds; without it to the standard output
  --url URL          address of the hub; else CENTRAL_HUB_URL (http://127.0.0.1:7000)
  --token TOKEN      token to show the hub; else CENTRAL_HUB_TOKEN, which other users of the machine cannot see
  --timeout SECONDS  how long to wait for the answer (15)

The block has one user for each service. Passwords are not in it: the server takes them from its environment, and which
variable is whose goes to the standard error. Have it read with: include ./permissions.conf

exit codes:
  0  done
  1  failed: the hub refused or is out of reach, or the file could not be written
  2  wrong usage
`;

import { HubError, unknownName } from "../errors.ts";
import type { Doc, System, VersionDocuments } from "./document-set.ts";
import type { Compiled } from "./snapshot.ts";

/** The version of that name, or the one that the flags choose for the service. Throws UNKNOWN_VERSION. */
export function versionOf(
  { documents, chooseVersion }: Compiled,
  named: string,
  service = "",
): VersionDocuments {
  const name = named || chooseVersion(service);
  const version = documents.versions.get(name);
  if (!version) throw unknownName("UNKNOWN_VERSION", "version", name, documents.versions.keys());
  return version;
}

/** The document of a system in a version. Throws NOT_DECLARED. */
export function declared<Name extends System>(
  version: VersionDocuments,
  system: Name,
): NonNullable<VersionDocuments[Name]> {
  const doc: Doc<unknown> | undefined = version[system];
  if (!doc) {
    throw new HubError("NOT_DECLARED", `version "${version.name}" declares no ${system}`, {
      metadata: { version: version.name, system },
    });
  }
  return doc as NonNullable<VersionDocuments[Name]>;
}

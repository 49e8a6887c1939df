import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { UserDataService } from "../../../gen/centralhub/userdata/v1/userdata_service_pb.ts";

/** A gRPC client of user data, as the caller of a token; without one when it is empty. */
export function userDataClient(baseUrl: string, token = "") {
  const transport = createGrpcTransport({
    baseUrl,
    interceptors: [
      (next) => (request) => {
        if (token) request.header.set("authorization", `Bearer ${token}`);
        return next(request);
      },
    ],
  });
  return createClient(UserDataService, transport);
}

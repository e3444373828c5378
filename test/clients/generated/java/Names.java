import dev.pannier.v1.CreateSessionRequest;
import dev.pannier.v1.SessionProto;
import dev.pannier.v1.SessionServiceGrpc;

/** Names that applications use and the program of docs/clients.md does not. */
final class Names {
  static final CreateSessionRequest REQUEST = CreateSessionRequest.newBuilder().setUserId("ada").build();
  static final String SERVICE = SessionServiceGrpc.SERVICE_NAME;
  static final String FILE = SessionProto.getDescriptor().getName();
}

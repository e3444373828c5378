import com.google.protobuf.ByteString;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.DescriptorProtos.FileDescriptorSet;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.Descriptors.MethodDescriptor;
import com.google.protobuf.DynamicMessage;
import io.grpc.CallOptions;
import io.grpc.Context;
import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.protobuf.ProtoUtils;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/**
 * A client on grpc-java, which tests the sidecar: it runs the cases of ../cases.ts and prints `PASS name` or `FAIL name reason` for each case.
 *
 * <pre>Client ADDRESS DESCRIPTOR_SET (all|load)</pre>
 *
 * It builds messages from the descriptor set of the repository, so it needs no generated code.
 */
public final class Client {
  private static final int MEBIBYTE = 1024 * 1024;
  private static final int CALL_TIMEOUT_S = 20;
  private static final int LOAD_CALLS = 10_000;
  private static final int LOAD_IN_FLIGHT = 50;
  private static final int ANSWERS_EACH = 1_000;
  /** Shortest interval that the library allows. */
  private static final int KEEP_ALIVE_S = 10;
  private static final int IDLE_S = 22;

  private static final String CHECK = "pannier.v1.RateLimitService/CheckRateLimit";
  private static final String SET = "pannier.v1.CacheService/CacheSet";
  private static final String GET = "pannier.v1.CacheService/CacheGet";
  private static final String INVALIDATE = "pannier.v1.CacheService/CacheInvalidate";
  private static final String WATCH = "pannier.v1.CacheService/WatchInvalidations";
  private static final String CONFIRM = "pannier.v1.CacheService/ConfirmInvalidations";

  private final String address;
  private final Map<String, MethodDescriptor> methods;
  private final ManagedChannel channel;

  public static void main(String[] arguments) throws Exception {
    Client client = new Client(arguments[0], readMethods(Path.of(arguments[1])));
    try {
      if (arguments[2].equals("load")) {
        report("load", client::underLoad);
      } else {
        client.playAll();
      }
    } finally {
      client.channel.shutdownNow();
    }
    System.exit(0);
  }

  private Client(String address, Map<String, MethodDescriptor> methods) {
    this.address = address;
    this.methods = methods;
    this.channel = builder().build();
  }

  private NettyChannelBuilder builder() {
    return NettyChannelBuilder.forTarget(address).usePlaintext();
  }

  private interface Case {
    void play() throws Exception;
  }

  private static void report(String name, Case one) {
    try {
      one.play();
      System.out.println("PASS " + name);
    } catch (Exception error) {
      System.out.println("FAIL " + name + " " + error.toString().replaceAll("\\s+", " "));
    }
  }

  private void playAll() {
    ExecutorService background = Executors.newSingleThreadExecutor();
    Future<Void> idle = background.submit(this::keepAlive);
    report("rate-limit", this::rateLimit);
    report("cache-3-mib", this::cacheLarge);
    report("message-3.9-mib", () -> messageSize(39 * MEBIBYTE / 10, Status.Code.INVALID_ARGUMENT));
    report("message-over-4-mib", () -> messageSize(4 * MEBIBYTE + 1, Status.Code.RESOURCE_EXHAUSTED));
    report("metadata-12-kib", () -> checkWithMetadata(12));
    report("metadata-over-16-kib", this::metadataRefused);
    report("gzip", this::compressed);
    report("calls-10000", this::manyCalls);
    report("watch", this::watch);
    report("deadline", this::deadline);
    report("cancel", this::cancel);
    report("keep-alive", idle::get);
    background.shutdown();
  }

  private void rateLimit() {
    List<Object> seen = new ArrayList<>();
    for (int index = 0; index < 4; index += 1) {
      seen.add(get(check(channel, "java-few", 3), "allowed"));
    }
    expect(seen, List.of(true, true, true, false));
  }

  private void cacheLarge() {
    ByteString value = ByteString.copyFromUtf8("pannier!".repeat(3 * MEBIBYTE / 8));
    call(channel, SET, Map.of("key", bytes("large"), "value", value));
    expect(get(call(channel, GET, Map.of("key", bytes("large"))), "value").equals(value), true);
  }

  /** The service rejects a value of this size, and the transport rejects a message. The connection remains usable. */
  private void messageSize(int size, Status.Code expected) {
    ByteString value = ByteString.copyFrom(new byte[size]);
    expect(codeOf(() -> call(channel, SET, Map.of("key", bytes("larger"), "value", value))), expected);
    checkOnce(channel);
  }

  private void compressed() {
    io.grpc.Channel compressing =
        io.grpc.ClientInterceptors.intercept(
            channel,
            new io.grpc.ClientInterceptor() {
              @Override
              public <Q, A> io.grpc.ClientCall<Q, A> interceptCall(
                  io.grpc.MethodDescriptor<Q, A> method, CallOptions options, io.grpc.Channel next) {
                return next.newCall(method, options.withCompression("gzip"));
              }
            });
    for (int size : new int[] {1, MEBIBYTE}) {
      ByteString value = ByteString.copyFromUtf8("v".repeat(size));
      call(compressing, SET, Map.of("key", bytes("gzip"), "value", value));
      expect(get(call(compressing, GET, Map.of("key", bytes("gzip"))), "value").equals(value), true);
    }
  }

  private DynamicMessage checkWithMetadata(int kibibytes) {
    Metadata metadata = new Metadata();
    metadata.put(Metadata.Key.of("x-large", Metadata.ASCII_STRING_MARSHALLER), "m".repeat(kibibytes * 1024));
    io.grpc.Channel annotated =
        io.grpc.ClientInterceptors.intercept(channel, MetadataUtils.newAttachHeadersInterceptor(metadata));
    return check(annotated, "java", LOAD_CALLS * 10);
  }

  private void metadataRefused() {
    expect(codeOf(() -> checkWithMetadata(17)), Status.Code.RESOURCE_EXHAUSTED);
    checkOnce(channel);
  }

  /** The limit counts every call, so the remaining units show how many calls were executed. */
  private void manyCalls() throws Exception {
    AtomicInteger next = new AtomicInteger();
    AtomicInteger failed = new AtomicInteger();
    AtomicReference<String> first = new AtomicReference<>();
    inFlight(() -> {
      while (next.getAndIncrement() < LOAD_CALLS) {
        try {
          check(channel, "java-load", LOAD_CALLS * 10);
        } catch (StatusRuntimeException error) {
          failed.incrementAndGet();
          first.compareAndSet(null, error.toString());
        }
      }
    });
    expect(failed + " failed, the first with " + first, "0 failed, the first with null");
    expect(get(check(channel, "java-load", LOAD_CALLS * 10), "remaining"), LOAD_CALLS * 9L - 1);
  }

  private void watch() {
    Iterator<DynamicMessage> stream = openWatch(CALL_TIMEOUT_S * 1_000);
    expect(has(stream.next(), "started"), true);
    for (int index = 0; index < 3; index += 1) {
      ByteString key = bytes("watched-" + index);
      call(channel, INVALIDATE, Map.of("keys", List.of(key)));
      expect(get(stream.next(), "key"), key);
    }
  }

  private void deadline() {
    Iterator<DynamicMessage> stream = openWatch(1_000);
    expect(has(stream.next(), "started"), true);
    expect(codeOf(stream::next), Status.Code.DEADLINE_EXCEEDED);
    checkOnce(channel);
  }

  /** The sidecar learns of the cancellation: it no longer confirms a cancelled watch. */
  private void cancel() throws Exception {
    Context.CancellableContext context = Context.current().withCancellation();
    Iterator<DynamicMessage> stream = context.call(() -> openWatch(CALL_TIMEOUT_S * 1_000));
    Object watchId = get((DynamicMessage) get(stream.next(), "started"), "watch_id");
    expect(isConfirmed(watchId), true);
    context.cancel(null);
    expect(codeOf(stream::next), Status.Code.CANCELLED);
    long endNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(CALL_TIMEOUT_S);
    while (isConfirmed(watchId)) {
      if (System.nanoTime() > endNs) {
        throw new IllegalStateException("the watch is still confirmed; it must have ended");
      }
      Thread.sleep(20);
    }
  }

  private boolean isConfirmed(Object watchId) {
    return (int) get(call(channel, CONFIRM, Map.of("watch_id", watchId)), "valid_for_ms") > 0;
  }

  /** An idle connection stays open while the client sends pings. A rejected or unanswered ping would close it. */
  private Void keepAlive() throws Exception {
    ManagedChannel pinged =
        builder()
            .keepAliveTime(KEEP_ALIVE_S, TimeUnit.SECONDS)
            .keepAliveTimeout(2, TimeUnit.SECONDS)
            .keepAliveWithoutCalls(true)
            .build();
    try {
      checkOnce(pinged);
      CountDownLatch hasChanged = new CountDownLatch(1);
      pinged.notifyWhenStateChanged(ConnectivityState.READY, hasChanged::countDown);
      expect(hasChanged.await(IDLE_S, TimeUnit.SECONDS), false);
      checkOnce(pinged);
    } finally {
      pinged.shutdownNow();
    }
    return null;
  }

  /** Runs the load while connections end, until a thousand calls found the marker and a thousand later calls did not. */
  private void underLoad() throws Exception {
    call(channel, SET, Map.of("key", bytes("marker"), "value", bytes("first")));
    AtomicInteger withMarker = new AtomicInteger();
    AtomicInteger withoutMarker = new AtomicInteger();
    AtomicInteger failed = new AtomicInteger();
    AtomicReference<String> first = new AtomicReference<>();
    long endNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(3 * CALL_TIMEOUT_S);
    inFlight(() -> {
      while (withoutMarker.get() < ANSWERS_EACH && System.nanoTime() < endNs) {
        try {
          DynamicMessage answer = call(channel, GET, Map.of("key", bytes("marker")));
          if (((ByteString) get(answer, "value")).isEmpty()) {
            withoutMarker.incrementAndGet();
          } else if (withMarker.incrementAndGet() == ANSWERS_EACH) {
            System.out.println("LOADED");
          }
        } catch (StatusRuntimeException error) {
          failed.incrementAndGet();
          first.compareAndSet(null, error.toString());
        }
      }
    });
    expect(failed + " failed, the first with " + first, "0 failed, the first with null");
    expect(withoutMarker.get() >= ANSWERS_EACH, true);
  }

  private static void inFlight(Runnable work) throws InterruptedException {
    ExecutorService workers = Executors.newFixedThreadPool(LOAD_IN_FLIGHT);
    for (int index = 0; index < LOAD_IN_FLIGHT; index += 1) {
      workers.submit(work);
    }
    workers.shutdown();
    expect(workers.awaitTermination(4 * CALL_TIMEOUT_S, TimeUnit.SECONDS), true);
  }

  private DynamicMessage checkOnce(io.grpc.Channel on) {
    return check(on, "java", LOAD_CALLS * 10);
  }

  private DynamicMessage check(io.grpc.Channel on, String key, long limit) {
    Descriptor kind = methods.get(CHECK).getInputType().findFieldByName("limits").getMessageType();
    Object algorithm = kind.findFieldByName("algorithm").getEnumType().findValueByName("ALGORITHM_FIXED_WINDOW");
    Map<String, Object> one =
        Map.of("name", "month", "algorithm", algorithm, "limit", limit, "window_ms", 2_592_000_000L);
    return call(on, CHECK, Map.of("key", key, "limits", List.of(build(kind, one))));
  }

  private DynamicMessage call(io.grpc.Channel on, String path, Map<String, Object> fields) {
    CallOptions options =
        CallOptions.DEFAULT.withWaitForReady().withDeadlineAfter(CALL_TIMEOUT_S, TimeUnit.SECONDS);
    DynamicMessage request = build(methods.get(path).getInputType(), fields);
    return ClientCalls.blockingUnaryCall(on, methodOf(path, MethodType.UNARY), options, request);
  }

  private Iterator<DynamicMessage> openWatch(long timeoutMs) {
    CallOptions options = CallOptions.DEFAULT.withDeadlineAfter(timeoutMs, TimeUnit.MILLISECONDS);
    DynamicMessage request = build(methods.get(WATCH).getInputType(), Map.of());
    return ClientCalls.blockingServerStreamingCall(
        channel, methodOf(WATCH, MethodType.SERVER_STREAMING), options, request);
  }

  private io.grpc.MethodDescriptor<DynamicMessage, DynamicMessage> methodOf(String path, MethodType type) {
    MethodDescriptor method = methods.get(path);
    return io.grpc.MethodDescriptor.<DynamicMessage, DynamicMessage>newBuilder()
        .setType(type)
        .setFullMethodName(path)
        .setRequestMarshaller(ProtoUtils.marshaller(DynamicMessage.getDefaultInstance(method.getInputType())))
        .setResponseMarshaller(ProtoUtils.marshaller(DynamicMessage.getDefaultInstance(method.getOutputType())))
        .build();
  }

  private static DynamicMessage build(Descriptor kind, Map<String, Object> fields) {
    DynamicMessage.Builder message = DynamicMessage.newBuilder(kind);
    fields.forEach((name, value) -> message.setField(kind.findFieldByName(name), value));
    return message.build();
  }

  private static Object get(DynamicMessage message, String name) {
    return message.getField(message.getDescriptorForType().findFieldByName(name));
  }

  private static boolean has(DynamicMessage message, String name) {
    FieldDescriptor field = message.getDescriptorForType().findFieldByName(name);
    return message.hasField(field);
  }

  private static ByteString bytes(String text) {
    return ByteString.copyFromUtf8(text);
  }

  private static Status.Code codeOf(Callable<DynamicMessage> call) {
    try {
      call.call();
      return Status.Code.OK;
    } catch (Exception error) {
      return Status.fromThrowable(error).getCode();
    }
  }

  private static void expect(Object found, Object expected) {
    if (!found.equals(expected)) {
      throw new IllegalStateException("expected " + expected + ", got " + found);
    }
  }

  /** Methods of all services by `package.Service/Method`. The set lists a file after the files that it imports. */
  private static Map<String, MethodDescriptor> readMethods(Path path) throws Exception {
    Map<String, FileDescriptor> files = new HashMap<>();
    Map<String, MethodDescriptor> found = new HashMap<>();
    for (FileDescriptorProto proto : FileDescriptorSet.parseFrom(Files.readAllBytes(path)).getFileList()) {
      FileDescriptor[] imported = proto.getDependencyList().stream().map(files::get).toArray(FileDescriptor[]::new);
      FileDescriptor file = FileDescriptor.buildFrom(proto, imported);
      files.put(proto.getName(), file);
      file.getServices().forEach(service ->
          service.getMethods().forEach(method -> found.put(service.getFullName() + "/" + method.getName(), method)));
    }
    return found;
  }
}
